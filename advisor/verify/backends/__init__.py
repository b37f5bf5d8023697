"""What runs the model: llama.cpp, MLX, or a server that is already running. Each is driven from a worker process."""
