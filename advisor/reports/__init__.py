"""What a machine did with a model, in a form that can be kept, shared and compared."""
