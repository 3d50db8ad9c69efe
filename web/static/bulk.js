// Choosing rows: the whole page at once, a range with Shift, and how many are chosen. The form works without this.

const numbers = new Intl.NumberFormat(document.documentElement.lang);

function watchChoice(form) {
  const boxes = [...form.querySelectorAll('input[name="item"]:not(:disabled)')];
  const page = form.querySelector('[data-js="bulk-page"]');
  const all = form.querySelector('[data-js="bulk-all"]');
  const count = form.querySelector('[data-js="bulk-count"]');
  if (!count || !page) return;
  const buttons = form.querySelectorAll('button[name="action"]');
  let last = null;

  const show = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    const isAll = all?.checked ?? false;
    page.checked = isAll || (chosen > 0 && chosen === boxes.length);
    page.indeterminate = !page.checked && chosen > 0;
    for (const box of [page, ...boxes]) box.disabled = isAll;
    count.textContent = isAll ? "Everything is chosen" : chosen ? `${numbers.format(chosen)} chosen` : "Nothing chosen";
    for (const button of buttons) button.disabled = !isAll && !chosen;
  };

  page.hidden = false;
  page.addEventListener("change", () => {
    for (const box of boxes) box.checked = page.checked;
    show();
  });
  all?.addEventListener("change", show);
  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last && last !== box) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
      }
      last = box;
      show();
    });
  }
  // The back button brings the ticks back without telling.
  addEventListener("pageshow", show);
  show();
}

for (const form of document.querySelectorAll('[data-js="bulk"]')) watchChoice(form);
