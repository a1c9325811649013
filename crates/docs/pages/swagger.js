SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  displayRequestDuration: true,
  // A token outlives a reload, in this browser.
  persistAuthorization: true,
  // The badge would send the document's address to another host.
  validatorUrl: null,
});
