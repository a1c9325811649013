Redoc.init(
  "/openapi.json",
  { hideDownloadButton: true, nativeScrollbars: true, requiredPropsFirst: true, scrollYOffset: "nav" },
  document.getElementById("redoc"),
);
