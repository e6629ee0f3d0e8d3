"""OCI images on disk and the tools that move them. Knows nothing of buildpacks."""
