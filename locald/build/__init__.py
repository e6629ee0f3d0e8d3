"""The use case: from source to a delivered image."""
