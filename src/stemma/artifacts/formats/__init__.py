"""Where a file may be cut: one file per format, each behind `layout.Format`."""
