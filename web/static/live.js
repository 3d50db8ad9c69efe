// Follows what goes on elsewhere: a job's page by server-sent events, or by asking when those fail; a list by asking.

const SILENCE_MS = 6000; // the first state comes at once, so that silence means that something holds events back
const ROWS_MS = 2000;
const QUIET_ROWS_MS = 8000;

const numbers = new Intl.NumberFormat(document.documentElement.lang);
const CHIPS = { queued: ["chip chip--hollow", "Waiting"], running: ["chip chip--info", "Running"] };

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showChip(holder, state) {
  const [className, text] = state.is_cancelling ? ["chip chip--warn chip--hollow", "Cancelling"] : CHIPS[state.status] ?? [];
  if (!className) return;
  const chip = holder.firstElementChild;
  chip.className = className;
  setText(chip, text);
}

function showState(root, state) {
  const { done, total } = state;
  const share = total ? Math.min(done, total) : 0;
  const texts = {
    ...state,
    count: `${numbers.format(done)} of ${numbers.format(total)}`,
    percent: total ? `${Math.floor((100 * share) / total)}%` : "",
  };
  for (const element of root.querySelectorAll("[data-live]")) {
    const value = texts[element.dataset.live];
    if (value === undefined || value === null || value === "") continue;
    setText(element, typeof value === "number" ? numbers.format(value) : String(value));
  }
  for (const holder of root.querySelectorAll("[data-live-chip]")) showChip(holder, state);
  for (const line of root.querySelectorAll("[data-live-numbers]")) line.hidden = !total;
  for (const bar of root.querySelectorAll("[data-live-bar]")) {
    if (!total) continue;
    bar.max = total;
    bar.value = share;
    bar.setAttribute("aria-valuetext", texts.count);
  }
}

// What only the server writes, such as the list of what was refused, comes again when there is more of it.
function followPart(part) {
  let count = Number(part.dataset.jsCount);
  let wanted = count;
  let timer = 0;
  let earliest = 0;
  const bring = async () => {
    earliest = Date.now() + ROWS_MS;
    const now = wanted;
    try {
      // Whoever goes through it by keyboard is not thrown out of it.
      const answer = part.contains(document.activeElement) ? null : await fetch(part.dataset.jsPart);
      if (answer?.ok) {
        part.innerHTML = await answer.text();
        count = now;
      }
    } catch {
      // The next one may succeed.
    }
    timer = 0;
    later();
  };
  const later = () => {
    if (timer || wanted <= count || document.hidden) return;
    timer = setTimeout(bring, Math.max(0, earliest - Date.now()));
  };
  return (refused) => {
    wanted = refused;
    later();
  };
}

// The page itself ends on the result: it is made by the server, which also knows where to go on to.
function follow(root) {
  let source = null;
  let silence = 0;
  let asking = 0;
  let isPolling = false;
  let isOver = false;
  const part = root.querySelector("[data-js-part]");
  const notePart = part && followPart(part);

  const take = (state) => {
    if (state.is_finished) return finish();
    showState(root, state);
    notePart?.(state.refused);
  };
  const finish = () => {
    if (isOver) return;
    isOver = true;
    stop();
    location.reload();
  };
  const stop = () => {
    source?.close();
    source = null;
    clearTimeout(silence);
    clearTimeout(asking);
  };
  const poll = async (wait) => {
    let answer;
    try {
      answer = await fetch(root.dataset.jsState, { headers: { Accept: "application/json" } });
      if (answer.ok) take(await answer.json());
    } catch {
      // Away for a moment; the job goes on without us.
    }
    if (isOver || document.hidden) return;
    if (answer && answer.status < 500 && answer.status !== 429 && !answer.ok) return finish();
    asking = setTimeout(poll, wait, Math.min(wait * 1.3, 3000));
  };
  const fallBack = () => {
    stop();
    isPolling = true;
    poll(500);
  };
  const listen = () => {
    source = new EventSource(root.dataset.jsEvents);
    silence = setTimeout(fallBack, SILENCE_MS);
    source.addEventListener("state", (event) => {
      clearTimeout(silence);
      take(JSON.parse(event.data));
    });
    source.addEventListener("end", finish);
    source.addEventListener("gone", finish);
    source.addEventListener("error", () => {
      clearTimeout(silence);
      // The browser tries again by itself, unless it was refused.
      if (source?.readyState === EventSource.CLOSED) fallBack();
    });
  };
  const start = () => (isPolling ? poll(500) : listen());
  // A page in the background holds no connection; there are few of them for each site.
  document.addEventListener("visibilitychange", () => {
    if (isOver) return;
    stop();
    if (!document.hidden) start();
  });
  addEventListener("pagehide", stop);
  if (!document.hidden) start();
}

// Rows that did not change stay as they are, with whatever has the focus in them.
function replaceRows(body, fresh) {
  const kept = new Map([...body.children].map((row) => [row.id, row]));
  const focused = document.activeElement;
  const focusRow = focused?.closest("tr");
  const place = focusRow && [...focusRow.querySelectorAll("a, button")].indexOf(focused);
  const rows = [...fresh.children].map((row) => {
    const old = kept.get(row.id);
    return old && old.dataset.jsSame === row.dataset.jsSame ? old : row;
  });
  const isSame = rows.length === body.children.length && rows.every((row, index) => row === body.children[index]);
  if (isSame) return;
  body.replaceChildren(...rows);
  if (focusRow && !body.contains(focused)) {
    document.getElementById(focusRow.id)?.querySelectorAll("a, button")[Math.max(place, 0)]?.focus();
  }
}

function followRows(body) {
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, body.querySelector("[data-js-open]") ? ROWS_MS : QUIET_ROWS_MS);
  };
  const ask = async () => {
    try {
      const answer = await fetch(body.dataset.jsUrl);
      if (answer.ok) {
        const page = document.createElement("template");
        page.innerHTML = `<table><tbody>${await answer.text()}</tbody></table>`;
        const fresh = page.content.querySelector("tbody");
        if (body.matches("tbody")) replaceRows(body, fresh);
        // The page says that there is nothing, and now there is; whoever fills in the filter is not disturbed.
        else if (fresh.children.length && !document.activeElement?.closest("form")) return location.reload();
      }
    } catch {
      // The next one may succeed.
    }
    later();
  };
  document.addEventListener("visibilitychange", later);
  later();
}

for (const root of document.querySelectorAll('[data-js="live"]')) follow(root);
for (const body of document.querySelectorAll('[data-js="live-rows"]')) followRows(body);
