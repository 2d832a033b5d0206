"""MPC engines: what runs the forward pass between real parties."""
