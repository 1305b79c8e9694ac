// The contents: folded on small screens, marking where the reader is; and light or dark.
const fold = document.querySelector(".contents details"), small = matchMedia("(max-width: 62rem)");
const folded = () => { fold.open = !small.matches; };
folded();
small.addEventListener("change", folded);
fold.addEventListener("click", event => { if (small.matches && event.target.closest("a")) fold.open = false; });

const links = new Map([...fold.querySelectorAll("a")].map(link => [link.hash.slice(1), link]));
const here = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    const link = links.get(target.id);
    if (!link || !isIntersecting) continue;
    for (const other of links.values()) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-10% 0px -80% 0px" });
for (const part of document.querySelectorAll(".part")) here.observe(part);

// What a link leads to is shown, though it lies in something folded.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let holder = target; holder; holder = holder.parentElement) if (holder.matches("details")) holder.open = true;
  target?.scrollIntoView();
};
addEventListener("hashchange", unfold);
if (location.hash) unfold();

const theme = document.getElementById("theme"), root = document.documentElement;
theme.hidden = false;
theme.addEventListener("click", () => {
  const dark = getComputedStyle(root).colorScheme === "dark"
    || (getComputedStyle(root).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.style.colorScheme = dark ? "light" : "dark";
});

// Paper has no folds.
const opened = [];
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("main details:not([open])")) { each.open = true; opened.push(each); }
});
addEventListener("afterprint", () => { for (const each of opened.splice(0)) each.open = false; });
