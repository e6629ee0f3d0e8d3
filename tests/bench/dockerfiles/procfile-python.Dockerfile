# One stage: `COPY --from` makes podman read and hash what it copies in every build, 3 s for an interpreter and packages.
# The packages are a layer of their own, made again when requirements.txt changes; the source comes last.
ARG BUILDER
FROM ${BUILDER}
USER root
WORKDIR /workspace
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv --without-pip /venv && \
    HOME=/root python3 -m pip --python /venv/bin/python install --quiet --disable-pip-version-check --root-user-action=ignore -r requirements.txt
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin PORT=8080
USER 1000:1000
CMD ["sh", "-c", "exec uvicorn site_of.web:application --host 0.0.0.0 --port $PORT"]
COPY . .
