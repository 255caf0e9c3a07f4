"""Poll jobs until they are finished."""
