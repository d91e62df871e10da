"""The networks: tokenizer (a learned JPEG), space-time backbone, heads and the flow that ties them together."""
