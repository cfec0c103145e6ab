// What htmx could not bring is told on the page: a session that ended, a server that is gone.
"use strict";

function tell(text) {
  const place = document.getElementById("problem");
  if (place) place.textContent = text;
}

document.addEventListener("htmx:before:response", (event) => {
  const response = event.detail.ctx.response.raw;
  const type = response.headers.get("content-type") || "";
  if (!type.startsWith("text/html")) {
    event.preventDefault();
    response.text().then(tell);
  }
});

document.addEventListener("htmx:error", () => {
  tell("The server does not answer. It may have been ended; what was stored is kept.");
});
