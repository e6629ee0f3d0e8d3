# busybox serves the files; they come last.
ARG BUILDER
ARG RUN
FROM ${BUILDER} AS build

FROM ${RUN}
COPY --from=build /bin/busybox /usr/local/bin/busybox
ENV PORT=8080
WORKDIR /workspace
COPY . .
USER 1000:1000
CMD ["sh", "-c", "exec busybox httpd -f -p 0.0.0.0:$PORT -h /workspace"]
