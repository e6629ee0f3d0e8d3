"""One file per command; `app` holds the only place that turns an error into text."""
