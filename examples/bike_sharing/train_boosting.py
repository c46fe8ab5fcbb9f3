"""Fit gradient boosting to two thirds of the hours and write three things: it, these hours, and the others, which it has never seen."""

from pathlib import Path

import joblib
import pandas
from sklearn.ensemble import HistGradientBoostingRegressor

FOLDER = Path(__file__).parent
COLUMNS = ["season", "yr", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit", "temp", "atemp", "hum", "windspeed"]

hours = pandas.read_csv(FOLDER / "data" / "hour.csv").sample(frac=1, random_state=0)[[*COLUMNS, "cnt"]]
train, test = hours[: 2 * len(hours) // 3], hours[2 * len(hours) // 3 :]
model = HistGradientBoostingRegressor(loss="absolute_error", learning_rate=0.05, max_iter=1000, early_stopping=False, random_state=0)
model.fit(train[COLUMNS].astype("float32"), train["cnt"])

(FOLDER / "model").mkdir(exist_ok=True)
joblib.dump(model, FOLDER / "model" / "boosting.joblib")
train.to_csv(FOLDER / "data" / "train.csv", index=False)
test.to_csv(FOLDER / "data" / "test.csv", index=False)
print(f"mean absolute error on {len(test)} hours: {abs(model.predict(test[COLUMNS].astype('float32')) - test['cnt']).mean():.2f}")
