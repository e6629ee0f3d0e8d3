"""The run side: process types and the containers of services."""
