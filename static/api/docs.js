// The page at /api/v1/docs/: Swagger UI over this server's schema, and nothing from elsewhere.
"use strict";

const place = document.getElementById("description");

function cookie(name) {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  // Otherwise the schema's address goes to a validator on the internet.
  validatorUrl: null,
  requestInterceptor(request) {
    if (!["GET", "HEAD"].includes((request.method || "GET").toUpperCase())) {
      request.headers["X-CSRFToken"] = cookie("berth_csrf");
    }
    return request;
  },
});
