"""One file per command: options, one service call, rendering. No database or vault call is made here."""
