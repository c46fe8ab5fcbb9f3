"""Models that are no networks, as graphs: estimators of scikit-learn's kind, XGBoost, LightGBM, and the ensembles of trees in them."""
