"""The Cloud Native Buildpacks platform: what the specification asks, without a terminal."""
