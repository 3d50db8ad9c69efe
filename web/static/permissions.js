// The matrix of permissions: filters as one types, and tells what would change before it is saved. It works without.

const numbers = new Intl.NumberFormat(document.documentElement.lang);

function watchMatrix(form) {
  const boxes = [...form.querySelectorAll(".matrix input[type=checkbox]:not(:disabled)")];
  const words = form.querySelector("[data-js=matrix-words]");
  const save = form.querySelector("[data-js=matrix-save]");
  const undo = form.querySelector("[data-js=matrix-undo]");
  const isChanged = (box) => box.checked !== box.hasAttribute("data-granted");

  const line = (role, changed, verb) => {
    const item = document.createElement("li");
    const name = document.createElement("strong");
    name.textContent = role;
    item.append(name, ` ${verb} ${changed.map((box) => box.dataset.title).join(", ")}`);
    return item;
  };

  const show = () => {
    const changed = boxes.filter(isChanged);
    for (const box of boxes) box.closest("td").classList.toggle("is-changed", isChanged(box));
    const list = document.createElement("ul");
    for (const role of new Set(changed.map((box) => box.dataset.role))) {
      const own = changed.filter((box) => box.dataset.role === role);
      const gains = own.filter((box) => box.checked);
      const losses = own.filter((box) => !box.checked);
      if (gains.length) list.append(line(role, gains, "gains"));
      if (losses.length) list.append(line(role, losses, "loses"));
    }
    const count = document.createElement("p");
    count.textContent = changed.length === 1 ? "1 change" : changed.length ? `${numbers.format(changed.length)} changes` : "Nothing changed yet";
    words.replaceChildren(count, list);
    save.disabled = !changed.length;
    undo.hidden = !changed.length;
  };

  // What is told here need not be asked on a page of its own.
  form.querySelector("[name=told]").value = "1";
  form.addEventListener("change", show);
  undo.addEventListener("click", () => {
    for (const box of boxes) box.checked = box.hasAttribute("data-granted");
    show();
  });
  addEventListener("beforeunload", (event) => {
    if (!form.dataset.sent && boxes.some(isChanged)) event.preventDefault();
  });
  form.addEventListener("submit", () => { form.dataset.sent = "1"; });
  addEventListener("pageshow", () => {
    delete form.dataset.sent;
    show();
  });
  show();
}

function watchFilter(filter, form) {
  const input = filter.querySelector("input");
  const none = form.querySelector("[data-js=matrix-none]");
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    let shown = 0;
    for (const group of form.querySelectorAll(".matrix tbody")) {
      const rows = [...group.querySelectorAll("tr[data-words]")];
      for (const row of rows) row.hidden = !row.dataset.words.includes(text);
      const left = rows.filter((row) => !row.hidden).length;
      group.hidden = !left;
      shown += left;
    }
    none.hidden = shown > 0;
  });
  // The rows are all here; another page would lose what is ticked.
  if (!input.value) filter.addEventListener("submit", (event) => event.preventDefault());
}

const form = document.querySelector("[data-js=matrix]");
const filter = document.querySelector("[data-js=matrix-filter]");
if (form) watchMatrix(form);
if (form && filter) watchFilter(filter, form);
