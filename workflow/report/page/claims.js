// Claims: those of one verdict or one paper.
for (const form of document.querySelectorAll("[data-filter]")) {
  const list = document.getElementById(form.dataset.filter), { verdict, paper } = form.elements;
  const show = () => {
    let count = 0;
    for (const claim of list.children) {
      const fits = (!verdict.value || claim.dataset.verdict === verdict.value)
        && (!paper.value || claim.dataset.paper === paper.value);
      claim.hidden = !fits;
      count += fits;
    }
    form.querySelector("output").textContent = `${count} of ${list.children.length} claims`;
  };
  form.hidden = false;
  form.addEventListener("change", show);
  const part = form.closest(".part");
  for (const link of document.querySelectorAll("a[data-verdict]")) {
    if (link.hash.slice(1) !== part.id) continue;
    link.addEventListener("click", () => { verdict.value = link.dataset.verdict; paper.value = ""; show(); });
  }
}
