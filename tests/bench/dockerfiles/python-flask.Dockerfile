# The packages are a layer of their own, made again when requirements.txt changes; the source comes last.
ARG BUILDER
ARG RUN
FROM ${BUILDER} AS packages
USER root
ENV HOME=/root
# The run image has no Python: the interpreter goes along, with the libraries that the run image lacks.
RUN mkdir -p /python/bin /python/lib && cp /usr/bin/python3.11 /python/bin/ && ln -s python3.11 /python/bin/python3 && \
    tar -C /usr/lib -cf - --exclude=dist-packages --exclude='config-*' --exclude=lib2to3 python3.11 | tar -C /python/lib -xf - && \
    ldd /python/bin/python3.11 /python/lib/python3.11/lib-dynload/*.so | awk '$2 == "=>" && $3 ~ /lib(expat|ffi|bz2|lzma|sqlite3|uuid|readline|db)/ { print $3 }' | \
    sort -u | xargs -I '{}' cp -L '{}' /python/lib/
COPY requirements.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    /python/bin/python3.11 -m venv --without-pip /venv && \
    python3 -m pip --python /venv/bin/python install --quiet --disable-pip-version-check --root-user-action=ignore -r /tmp/requirements.txt

FROM ${RUN}
COPY --from=packages /python /python
COPY --from=packages /venv /venv
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin LD_LIBRARY_PATH=/python/lib PORT=8080
WORKDIR /workspace
COPY . .
USER 1000:1000
CMD ["gunicorn", "app:app"]
