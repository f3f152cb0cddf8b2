"""What a terminal sees: data on stdout in four forms, progress and errors on stderr, signals."""
