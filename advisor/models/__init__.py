"""What a model is: GGUF headers, hyperparameters, tensor lists, quantizations, the catalogue. Bytes to facts."""
