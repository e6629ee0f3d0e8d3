"""Looks after what builds leave on this host: caches, images, unpacked builders."""
