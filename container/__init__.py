"""All that the training image runs. It never imports `pipeline`, `boto3` or `sagemaker`.

In the order in which a reader needs the modules:

    train                                    one job: read, fit, evaluate, save
    schema, validation, reading, channel     from files to checked rows
    features, target_encoding, dataset       from rows to the matrices of XGBoost
    boosting, artifact, evaluation           the model, its files and its metrics
    contract, opt_ml, errors, __main__       names, folders and exit codes of SageMaker
    checkpoint, cluster, hardware            interruptions, several hosts, memory and GPU
    predict, serve                           scoring: as a command and as a server
"""
