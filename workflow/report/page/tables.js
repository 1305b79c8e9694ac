// Tables: sorted by a click on a column's head, and copied in the formats of their files.
const told = document.getElementById("told");
const number = text => { const found = text.replace("−", "-").match(/^[-+]?\d+(\.\d+)?/); return found ? +found[0] : NaN; };

for (const head of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const body = head.closest("table").tBodies[0], column = head.cellIndex, up = head.ariaSort === "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.ariaSort = up ? "ascending" : "descending";
    const text = row => row.cells[column].textContent.trim();
    const rows = [...body.rows], numeric = rows.some(row => !isNaN(number(text(row))));
    rows.sort((a, b) => {
      const [x, y] = numeric ? [number(text(a)), number(text(b))] : [text(a), text(b)];
      if (numeric && (isNaN(x) || isNaN(y))) return isNaN(x) - isNaN(y);
      return (numeric ? x - y : x.localeCompare(y)) * (up ? 1 : -1);
    });
    body.append(...rows);
  });
}

const texts = JSON.parse(document.getElementById("texts").textContent);
const copy = async text => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers that give pages in files no clipboard still copy what is selected.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copy(texts[button.dataset.copy]);
    button.focus();
    told.textContent = `Copied ${button.dataset.copy}`;
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1200);
  });
}
