"""One container per lifecycle phase, on runc, podman or bubblewrap."""
