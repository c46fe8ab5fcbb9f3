"""From a trained model, its data and a policy to the greenest deployable model that still passes, with the evidence."""
