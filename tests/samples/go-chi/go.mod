module example.com/go-chi

go 1.24.0

toolchain go1.25.5

require github.com/go-chi/chi/v5 v5.2.3
