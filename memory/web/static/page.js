// Show on the page what htmx could not load: the session has ended, or the server is gone.
"use strict";

function showProblem(text) {
  const problem = document.getElementById("problem");
  if (problem) problem.textContent = text;
}

document.addEventListener("htmx:before:response", (event) => {
  const response = event.detail.ctx.response.raw;
  const type = response.headers.get("content-type") || "";
  if (!type.startsWith("text/html")) {
    event.preventDefault();
    response.text().then(showProblem);
  }
});

document.addEventListener("htmx:error", () => {
  showProblem("The server does not answer. It may have stopped; your memories are safe.");
});
