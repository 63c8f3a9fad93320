"""The records of the registry and the text beside them: what a version is, what people say, what was measured."""
