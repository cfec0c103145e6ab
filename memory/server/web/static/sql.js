// Saved queries stay in this browser.
"use strict";

const key = `queries ${location.pathname}`;
const list = document.getElementById("queries");
const save = document.getElementById("save-query");
const read = () => JSON.parse(localStorage.getItem(key) || "{}");

function write(queries) {
  localStorage.setItem(key, JSON.stringify(queries));
  show();
}

function show() {
  list.querySelectorAll(".saved").forEach((item) => item.remove());
  for (const [name, select] of Object.entries(read())) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const remove = document.createElement("button");
    item.className = "saved";
    link.href = `?${new URLSearchParams({select})}`;
    link.textContent = name;
    remove.className = "calm small";
    remove.textContent = "×";
    remove.ariaLabel = `Delete ${name}`;
    remove.onclick = () => {
      const {[name]: _, ...others} = read();
      write(others);
    };
    item.append(link, " ", remove);
    list.append(item);
  }
}

save.onclick = () => {
  const name = document.getElementById("query-name").value.trim();
  const select = document.getElementById("select").value;
  if (name && select) write({...read(), [name]: select});
};
save.closest("p").hidden = false;
show();
