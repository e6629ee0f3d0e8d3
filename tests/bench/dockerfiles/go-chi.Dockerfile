# The toolchain and the modules are layers of their own, the compiler's cache a cache mount.
ARG BUILDER
ARG RUN
FROM ${BUILDER} AS build
USER root
ENV HOME=/root
RUN apt-get -qq update && apt-get -qq -y install --no-install-recommends golang-1.19-go >/dev/null && rm -rf /var/lib/apt/lists/*
# Debian's Go fetches the one that go.mod names, as the go buildpack does.
RUN mkdir /tmp/start && cd /tmp/start && GOFLAGS=-modcacherw GOPATH=/tmp/start/path /usr/lib/go-1.19/bin/go mod download \
    golang.org/toolchain@v0.0.1-go1.25.5.linux-amd64 && \
    mv /tmp/start/path/pkg/mod/golang.org/toolchain@v0.0.1-go1.25.5.linux-amd64 /usr/local/go && rm -r /tmp/start && \
    find /usr/local/go/bin /usr/local/go/pkg/tool -type f -exec chmod a+x {} +
ENV GOTOOLCHAIN=local CGO_ENABLED=0
WORKDIR /app
COPY go.mod go.sum ./
RUN /usr/local/go/bin/go mod download
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build /usr/local/go/bin/go build -trimpath -buildvcs=false -ldflags='-s -w' -o /go-chi .

FROM ${RUN}
COPY --from=build /go-chi /usr/local/bin/go-chi
ENV PORT=8080
USER 1000:1000
CMD ["go-chi"]
