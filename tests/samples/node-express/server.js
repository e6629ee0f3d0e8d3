const express = require("express");

const GREETING = "Hello from Node.js";

const app = express();
const expressVersion = require("express/package.json").version;

app.get("/", (request, response) => {
  response.send(
    `<!doctype html><title>node-express</title><h1>${GREETING}</h1>` +
      `<p>node-express: Node.js ${process.version}, Express ${expressVersion}</p>\n`,
  );
});

const port = Number(process.env.PORT || 8080);
const server = app.listen(port, () => console.log(`node-express listens on port ${port}`));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.close());
