// What the page does beside htmx: keys, copying, opened facts, and errors shown.
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

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("input, textarea, select");
  const search = document.querySelector("header [type=search]");
  if (event.key === "/" && !field && search && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    search.focus();
  }
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && field?.matches(".enter")) {
    event.preventDefault();
    field.form.requestSubmit();
  }
});

// An opened fact loads its source and its form; saving comes back to this list.
document.addEventListener("toggle", (event) => {
  const link = event.target.open && event.target.querySelector(":scope > a.load");
  if (!link) return;
  const back = `/${location.pathname.split("/")[3] || ""}${location.search}`;
  const path = `${link.getAttribute("href")}?back=${encodeURIComponent(back)}`;
  htmx.ajax("GET", path, {target: link, swap: "outerHTML", select: ".panel"});
}, true);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
  button.textContent = "Copied";
});

// A conversation opens at its newest turn, unless the address names one or the reader comes back.
document.addEventListener("DOMContentLoaded", () => {
  const [navigation] = performance.getEntriesByType("navigation");
  if (location.hash || navigation?.type === "back_forward") return;
  document.querySelector("[data-opens-at-end] article.turn:last-of-type")?.scrollIntoView({block: "end"});
});
