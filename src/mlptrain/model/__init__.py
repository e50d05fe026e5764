"""The MLP and the Keras objects that config names stand for."""
