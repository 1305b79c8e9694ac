// Figures to look into: drawn when they come near the screen, with methods that can be switched off.

// The library is read with the first of them, so that the page need not wait for it.
const code = document.getElementById("vega");
const load = () => {
  if (window.vegaEmbed) return;
  const script = document.createElement("script");
  script.textContent = `(() => { "use strict"; ${code.textContent}\n})()`;
  document.head.append(script);
};

const axis = { labelColor: "currentColor", titleColor: "currentColor", tickColor: "currentColor", domainColor: "currentColor",
               gridColor: "currentColor", gridOpacity: 0.15, labelFontSize: 12, titleFontSize: 12 };
const draw = async holder => {
  load();
  const spec = JSON.parse(document.getElementById(holder.dataset.spec).textContent);
  const config = { axis, font: "system-ui, sans-serif", view: { stroke: null } };
  // Expressions are interpreted, because the page runs no code that is made from text.
  const options = { renderer: "svg", ast: true, actions: false, tooltip: { theme: "dark" }, config };
  const { view } = await window.vegaEmbed(holder, spec, options);
  const methods = holder.parentElement.querySelector(".methods");
  const boxes = [...methods.querySelectorAll("input")];
  const show = () => view.signal("off", boxes.filter(box => !box.checked).map(box => box.value)).runAsync();
  const all = on => { for (const box of boxes) box.checked = on; show(); };
  methods.hidden = false;
  methods.addEventListener("change", show);
  methods.querySelector("[data-all]").addEventListener("click", () => all(true));
  methods.querySelector("[data-none]").addEventListener("click", () => all(false));
  holder.dataset.drawn = "";
};

const holders = document.querySelectorAll(".chart");
if (code) {
  const near = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "600px" });
  for (const holder of holders) near.observe(holder);
} else {
  // Without the library, the picture stands in its place.
  for (const holder of holders) {
    holder.hidden = true;
    holder.parentElement.querySelector("details").open = true;
  }
}
