-- OrderSaga once more, with SQL in the place of JSONPath: the same states, activities and results.
--
-- {% … %} is a SQL expression over input, vars, result and context, all jsonb. "Arguments" says
-- what the activity gets (without it, the whole input); "Output", what the next state gets.
SELECT workflow.register('OrderSagaSQL', $asl${
	"Comment": "Processes an order, all or nothing",
	"QueryLanguage": "SQL",
	"Defaults": {
		"StartToCloseSeconds": 60,
		"Retry": [
			{"ErrorEquals": ["InvalidOrderError", "OutOfStockError", "PaymentDeclinedError"],
				"MaxAttempts": 0},
			{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2.0,
				"MaxDelaySeconds": 60, "MaximumAttempts": 5}
		]
	},
	"StartAt": "ReserveInventory",
	"States": {
		"ReserveInventory": {"Type": "Task", "Resource": "ReserveInventory",
			"Output": "{% input || jsonb_build_object('ReserveInventory', result) %}",
			"Compensate": "ReleaseInventoryReservation", "Next": "ProcessPayment"},
		"ProcessPayment": {"Type": "Task", "Resource": "ProcessPayment",
			"Output": "{% input || jsonb_build_object('ProcessPayment', result) %}",
			"Compensate": "RefundPayment", "Next": "UpdateInventory"},
		"UpdateInventory": {"Type": "Task", "Resource": "UpdateInventory",
			"Output": "{% input || jsonb_build_object('UpdateInventory', result) %}",
			"Compensate": "RestoreInventory", "Next": "ArrangeShipping"},
		"ArrangeShipping": {"Type": "Task", "Resource": "ArrangeShipping",
			"Arguments": {"order_id": "{% input->'order_id' %}", "carrier": "{% input->'carrier' %}"},
			"Output": "{% input || jsonb_build_object('ArrangeShipping', result) %}",
			"Compensate": "CancelShipping", "End": true},

		"Undo": {"Type": "Compensate", "Next": "CancelOrder"},
		"CancelOrder": {"Type": "Task", "Resource": "CancelOrder",
			"Arguments": {"order_id": "{% input->'order_id' %}", "public_error": "OrderProcessingFailed",
				"failure": "{% context->'Execution'->'Error' %}"},
			"Next": "Failed"},
		"Failed": {"Type": "Fail", "Error": "{% context->'Execution'->'Error'->>'Error' %}",
			"Cause": "{% context->'Execution'->'Error'->>'Cause' %}"}
	},
	"OnError": "Undo",
	"OnCancel": "Undo",
	"OnTimeout": "Undo",
	"Public": {"Code": "OrderProcessingFailed", "Message": "We could not process your order."}
}$asl$);
