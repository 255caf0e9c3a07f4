"""The wire: from a gid to the record that Asana answers with."""
