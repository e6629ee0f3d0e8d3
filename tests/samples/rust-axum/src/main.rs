use axum::{response::Html, routing::get, Router};

const GREETING: &str = "Hello from Rust";

async fn page() -> Html<String> {
    Html(format!(
        "<!doctype html><title>rust-axum</title><h1>{GREETING}</h1><p>rust-axum: {}, axum 0.8</p>\n",
        env!("RUSTC_VERSION")
    ))
}

async fn stop() {
    use tokio::signal::unix::{signal, SignalKind};
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = terminate.recv() => {},
        _ = tokio::signal::ctrl_c() => {},
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());
    let listener = tokio::net::TcpListener::bind(format!("0.0.0.0:{port}")).await?;
    println!("rust-axum listens on port {port}");
    axum::serve(listener, Router::new().route("/", get(page)))
        .with_graceful_shutdown(stop())
        .await
}
