"""What a definition is made of, and what is read from its JSON: values, graph, refusals."""
