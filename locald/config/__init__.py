"""What the user wrote, in flags and files, as typed values."""
