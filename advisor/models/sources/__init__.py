"""Where model files are: the hub, Ollama's store, LM Studio's folders, any folder."""
