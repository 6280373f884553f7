"""Judge filled pictures against the truth: data, methods, figures, report."""
