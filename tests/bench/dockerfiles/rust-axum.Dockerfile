# The toolchain, the dependencies and the application are compiled in layers of their own: a changed line compiles one crate.
ARG BUILDER
ARG RUN
FROM ${BUILDER} AS build
USER root
ENV HOME=/root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get -qq update && apt-get -qq -y install --no-install-recommends cargo-web rustc-web >/dev/null
WORKDIR /app
ENV CARGO_INCREMENTAL=0
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir src && echo 'fn main() {}' >src/main.rs && cargo build --release --locked && rm -r src
COPY src src
RUN touch src/main.rs && cargo build --release --locked

FROM ${RUN}
COPY --from=build /app/target/release/rust-axum /usr/local/bin/rust-axum
ENV PORT=8080
USER 1000:1000
CMD ["rust-axum"]
