const filter = document.getElementById("filter");

filter.addEventListener("input", () => {
  const wanted = filter.value.toLowerCase();
  for (const section of document.querySelectorAll("section")) {
    let found = 0;
    for (const operation of section.querySelectorAll("details")) {
      operation.hidden = !operation.textContent.toLowerCase().includes(wanted);
      found += !operation.hidden;
    }
    section.hidden = found === 0;
  }
});
