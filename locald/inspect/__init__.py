"""What an image is made of, for people and programs."""
